{% include cookiecutter.__parts ~ 'wsgi_server/' ~ cookiecutter.wsgi_server ~ '/server.py' %}
