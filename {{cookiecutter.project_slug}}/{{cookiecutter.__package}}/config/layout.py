{% include cookiecutter.__parts ~ 'config_layout/' ~ cookiecutter.config_layout ~ '/layout.py' %}
