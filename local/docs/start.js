"use strict";
// No validatorUrl: its badge would send the document's address to another site.
SwaggerUIBundle({ dom_id: "#docs", url: "openapi.json", deepLinking: true, validatorUrl: null });
