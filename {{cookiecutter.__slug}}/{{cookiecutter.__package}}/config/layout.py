{% include 'config/' ~ cookiecutter.config_layout ~ '/layout.py' %}
