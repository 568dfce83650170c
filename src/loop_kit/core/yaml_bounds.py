"""What YAML from a stranger may not do: grow while it is read.

The parser follows merge keys and aliases of aliases, so that 400 bytes become gigabytes, and
looks at every open bracket again for each token. A task card needs neither.
"""

_MOST_OPEN = 40


def yaml_excess(text: str) -> str:
    """Why this YAML must not be parsed, as a phrase without a full stop, or ''.

    What the scanner cannot read is left to the parser to explain.
    """
    import yaml

    opening = (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken)
    closing = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)
    depth = 0
    try:
        for token in yaml.scan(text):
            if isinstance(token, yaml.AliasToken):
                return "aliases (*name) are not taken"
            depth += isinstance(token, opening) - isinstance(token, closing)
            if depth > _MOST_OPEN:
                return "nested too deeply"
    except (yaml.YAMLError, ValueError, ArithmeticError):
        return ""
    return ""
