{% import cookiecutter.__parts ~ 'database/' ~ cookiecutter.database ~ '/choice.jinja' as database %}
"""The settings that no variable has to set: a dictionary for each environment."""

from typing import Any

# The defaults of every environment, each of them the safe choice.
DEFAULT: dict[str, Any] = {
    # The lowest level that is logged, and how: "text" or "json" (one object a line).
    "LOG_LEVEL": "INFO",
    "LOG_FORMAT": "json",
    # The largest request body in bytes; a larger one gets 413.
    # `deploy/install` gives nginx the same limit.
    "MAX_CONTENT_LENGTH": 16 * 1024 * 1024,
    # The same limit for its form fields. Flask's own limit is 500 kB.
    "MAX_FORM_MEMORY_SIZE": 16 * 1024 * 1024,
    # How many proxies stand in front, each of which sets X-Forwarded-For, -Proto and
    # -Host. Too high a number lets clients forge their address; nginx is one.
    "PROXY_HOPS": 0,
    # How many requests each process of the server handles at the same time. Event
    # streams may take half of them. A change takes effect with a restart.
    "THREADS": 8,
{% if cookiecutter.https == 'no' %}
    # Browsers drop a Secure cookie that comes over plain HTTP, and with it the login.
    "SESSION_COOKIE_SECURE": False,
{% else %}
    # Browsers send the session cookie over TLS only.
    "SESSION_COOKIE_SECURE": True,
{% endif %}
    # POST requests from other sites are sent without it.
    "SESSION_COOKIE_SAMESITE": "Lax",
    # What a page may load and do: only files of this origin, no inline script or
    # style, no frames. See docs/content-security-policy.md.
    "CONTENT_SECURITY_POLICY": {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "font-src": "'self'",
        "connect-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    },
{% if cookiecutter.database != 'none' %}
{% for line in database.comment %}
    # {{ line }}
{% endfor %}
    "DATABASE_URL": "{{ database.url }}",
{% endif %}
}

ENVIRONMENTS: dict[str, dict[str, Any]] = {
    # What differs while you work on the code.
    "development": {
        # Only for development: production refuses to start with it.
        "SECRET_KEY": "dev",
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": "text",
{% if cookiecutter.https != 'no' %}
        # There is no TLS on a developer's machine.
        "SESSION_COOKIE_SECURE": False,
{% endif %}
    },
    # What differs in tests.
    "testing": {
        # Exceptions reach the test instead of becoming an error page.
        "TESTING": True,
        "SECRET_KEY": "testing",
        "LOG_FORMAT": "text",
{% if cookiecutter.database == 'sqlite' %}
        # In memory. Tests that use the database have a file each: conftest.py.
        "DATABASE_URL": "sqlite://",
{% endif %}
{% if cookiecutter.https != 'no' %}
        # Flask's test client speaks plain HTTP.
        "SESSION_COOKIE_SECURE": False,
{% endif %}
    },
    # What differs in production. SECRET_KEY is not here: it belongs in the
    # environment or the settings file on the server, and never into git.
    "production": {
        # The host names of the service; any other Host gets 400. The last
        # three are for health checks on the machine itself.
        "TRUSTED_HOSTS": [
{% for host in cookiecutter.server_name.split() %}
            {{ host | tojson }},
{% endfor %}
            "localhost",
            "127.0.0.1",
            "[::1]",
        ],
        # The scheme of URLs that are built outside a request.
        "PREFERRED_URL_SCHEME": "{{ 'http' if cookiecutter.https == 'no' else 'https' }}",
    },
}
