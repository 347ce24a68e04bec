"""The /dashboard page: what flows there are, over the API and nothing else; its pictures are drawn by plotly's file."""

from local.pages import file_route, policy

# Plotly writes style sheets and attributes of its own, which run nothing. It needs no eval.
_POLICY = policy(style="'self' 'unsafe-inline'")

FILES = (
    "answer.js",
    "api.js",
    "bars.js",
    "cells.js",
    "charts.js",
    "dashboard.css",
    "download.js",
    "elements.js",
    "exact.js",
    "filters.js",
    "flows.js",
    "graph.js",
    "hours.js",
    "icon.svg",
    "main.js",
    "panel.js",
    "query.js",
    "range.js",
    "refresh.js",
    "sankey.js",
    "state.js",
    "talkers.js",
    "theme.js",
    "times.js",
    "token.js",
    "total.js",
    "trouble.js",
    "units.js",
)

DASHBOARD = (
    file_route("/dashboard", "local.dashboard", "index.html", _POLICY),
    *(file_route(f"/dashboard/{name}", "local.dashboard", name, _POLICY) for name in FILES),
    file_route("/dashboard/plotly.min.js", "plotly", "package_data/plotly.min.js", _POLICY),
)
