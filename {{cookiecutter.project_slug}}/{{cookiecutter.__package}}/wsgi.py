"""The WSGI entry point: `{{ cookiecutter.__package }}.wsgi:app`, for any server.

The one place where an application is made by an import. Nothing else imports this
module: code that needs the application uses `flask.current_app`.
"""

from . import create_app

app = create_app()
