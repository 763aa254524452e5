"""Replace what is secret in the value of a setting."""

import re

SECRET = re.compile(
    r"SECRET|PASS|PWD|TOKEN|CREDENTIAL|PRIVATE|API_?KEY|(^|_)KEYS?(_|$)|DSN|SALT|AUTH",
    re.IGNORECASE,
)
# user:password@ in a URL, and ?token=... behind it.
URL_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*:)\S*(?=@)")
# A table that is not valid JSON, and so has remained a text.
TABLE = re.compile(r"[\[\s]*\{")
URL_TOKEN = re.compile(r"([?&][^=&\s]*(?:key|pass|secret|sig|token)[^=&\s]*=)[^&\s]+")


def masked(name: str, value: object) -> object:
    """Return the value of a setting with everything secret replaced by `***`."""
    if value is None or isinstance(value, bool):
        return value
    if SECRET.search(name) or (isinstance(value, str) and TABLE.match(value)):
        return "***"
    if isinstance(value, dict):
        return {key: masked(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(name, item) for item in value]
    if isinstance(value, str):
        return URL_TOKEN.sub(r"\1***", URL_PASSWORD.sub(r"\1***", value))
    return value
