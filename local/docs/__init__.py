"""The /docs page: Swagger UI, out of an installed package, over /openapi.json."""

from local.pages import file_route, policy

# The files of Swagger UI, and no more than two small packages beside them.
_SWAGGER = "mkdocs_swagger_ui_tag"
# Its style sheet holds its pictures.
_POLICY = policy(img="'self' data:")

DOCS = (
    file_route("/docs", "local.docs", "index.html", _POLICY),
    file_route("/docs/start.js", "local.docs", "start.js", _POLICY),
    file_route("/docs/swagger-ui.js", _SWAGGER, "swagger-ui/javascripts/swagger-ui-bundle.js", _POLICY),
    file_route("/docs/swagger-ui.css", _SWAGGER, "swagger-ui/stylesheets/swagger-ui.css", _POLICY),
)
