"""Import Peewee without the PostgreSQL drivers that it would import on sight, and without looking for garbage in it.

Only its SQL is used on PostgreSQL, and where the store is SQLite psycopg would be the larger part of a function's cold
start: measured 80 ms of 150. What an import makes stays: looking through it for garbage takes another 13.
"""

import gc
import sys

_DRIVERS = ("psycopg", "psycopg2", "psycopg2cffi")

_hidden = [name for name in _DRIVERS if name not in sys.modules]
# None in sys.modules makes an import fail: https://docs.python.org/3/reference/import.html#the-module-cache
sys.modules.update(dict.fromkeys(_hidden))  # type: ignore[arg-type]
_collects = gc.isenabled()
gc.disable()
try:
    import peewee  # noqa: F401 (imported for the others)
finally:
    # From here on it is not looked through either.
    gc.freeze()
    if _collects:
        gc.enable()
    for name in _hidden:
        del sys.modules[name]
