"""Import Peewee without the PostgreSQL drivers that it would import on sight.

Only its SQL is used on PostgreSQL, and where the store is SQLite psycopg would be the larger part of a function's cold
start: measured 80 ms of 120.
"""

import sys

_DRIVERS = ("psycopg", "psycopg2", "psycopg2cffi")

_hidden = [name for name in _DRIVERS if name not in sys.modules]
# None in sys.modules makes an import fail: https://docs.python.org/3/reference/import.html#the-module-cache
sys.modules.update(dict.fromkeys(_hidden))  # type: ignore[arg-type]
try:
    import peewee  # noqa: F401 (imported for the others)
finally:
    for name in _hidden:
        del sys.modules[name]
