DATABASE_URL = matching(
    re.compile(
        r"postgresql\+psycopg://([^/@\s]*@)?([\w.-]*|\[[\da-fA-F:.]+\])(:\d{1,5})?/[^/?#\s]*(\?[^#\s]*)?"
    ),
    'a URL such as "postgresql+psycopg://USER:PASSWORD@HOST/NAME"',
)
