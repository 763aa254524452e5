DATABASE_URL = matching(
    re.compile(r"sqlite://(/[^?#\x00-\x1f]+)?"),
    'a URL such as "sqlite:////var/lib/{{ cookiecutter.project_slug }}/{{ cookiecutter.project_slug }}.db"',
)
