"""The WSGI entry point: `{{ cookiecutter.__package }}.wsgi:app`, for any server.

Only this module creates an application at import. Nothing else imports it: code that
needs the application uses `flask.current_app`.
"""

from . import create_app

app = create_app()
