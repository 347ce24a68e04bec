"""template.yaml, read as plain values."""

from typing import Any

import yaml

from tests.process import ROOT


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms too: ``!Ref X`` as ``{"!Ref": "X"}``."""


def _short_form(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {f"!{tag}": loader.construct_scalar(node)}
    assert isinstance(node, yaml.SequenceNode)
    return {f"!{tag}": loader.construct_sequence(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)

# Its own subclass of SafeLoader makes no objects.
TEMPLATE: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), _Loader)
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
FUNCTIONS: dict[str, str] = {
    name: resource["Properties"]["Handler"]
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Serverless::Function"
}


def routes() -> dict[str, str]:
    """Tell which function, by its handler, answers each route of the API."""
    found = {}
    for resource in RESOURCES.values():
        if resource["Type"] == "AWS::ApiGatewayV2::Route":
            integration = resource["Properties"]["Target"]["!Sub"].removeprefix("integrations/${").rstrip("}")
            function = RESOURCES[integration]["Properties"]["IntegrationUri"]["!GetAtt"].removesuffix(".Arn")
            found[resource["Properties"]["RouteKey"]] = FUNCTIONS[function]
    return found
