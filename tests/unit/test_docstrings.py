"""Public functions with three parameters or more say what these are, what comes back and when not.

One that only carries out what another one promises refers to it: "parameters as :meth:`…`".
"""

import ast
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def public(node, above=""):
    """Public functions and methods below a node, with their names."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*FUNCTIONS, ast.ClassDef)) and not child.name.startswith("_"):
            name = f"{above}{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{name}.")
            else:
                yield name, child


def raises(function):
    """Whether the function itself raises an error."""
    nodes = list(ast.iter_child_nodes(function))
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Raise) and node.exc is not None:
            return True
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
            nodes += ast.iter_child_nodes(node)
    return False


def missing(function):
    """Sections that a docstring lacks."""
    arguments = function.args
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    doc = (ast.get_docstring(function) or "").replace("Yields\n------\n", "Returns\n-------\n")
    if len([one for one in listed if one.arg not in ("self", "cls")]) < 3:
        return
    if "parameters as :" in doc.lower():
        return
    returned = ast.unparse(function.returns) if function.returns else "None"
    wanted = {
        "Parameters": True,
        "Returns": returned not in ("None", "NoReturn"),
        "Raises": raises(function),
    }
    yield from (
        name for name, so in wanted.items() if so and f"{name}\n{'-' * len(name)}" not in doc
    )


def test_sections():
    lacking = [
        f"{path.relative_to(SCRIPTS)}: {name}: {section}"
        for path in sorted(SCRIPTS.rglob("*.py"))
        for name, function in public(ast.parse(path.read_text()))
        for section in missing(function)
    ]
    assert lacking == []


def test_the_check_sees_what_is_missing():
    text = '''
def f(a, b, c) -> int:
    """Parameters
    ----------
    """
    raise ValueError
'''
    (found,) = public(ast.parse(text))
    assert list(missing(found[1])) == ["Returns", "Raises"]
