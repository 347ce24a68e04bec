"""The same service on one machine."""

import sys

# While Python looks for the module that -m names, this is what it is called.
if sys.argv[:1] == ["-m"]:
    from local.installed import check_packages

    check_packages(sys.orig_argv)
