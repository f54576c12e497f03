"""Parse errors of `fit`, `validate`, `test` and `predict` in one line: what is wrong, where, and the near miss."""

import difflib
import inspect
import pkgutil
import re
from collections.abc import Iterable
from functools import cache, partial
from itertools import accumulate
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch.cli import LightningArgumentParser

from cli.config_files import CONFIGS, ConfigFile, Given, given, on_the_line, read, short
from cli.failures import missing_package
from errors import InputError, quoted
from settings import construct

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "keys with values",
}


class Parser(LightningArgumentParser):
    """Takes `--config`; errors are one line, and a key that is unknown comes with the known one it resembles most."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # an abbreviation (--trainer.max_epoch) is a mistyped key
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})
        if self.exit_on_error:  # the parsers that jsonargparse makes for the arguments of one class are this class too
            self.add_argument("-c", "--config", action=ConfigFile, help="a YAML file, or the name of one in configs/")

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the parse error for the user to see.

        Raises:
            InputError: always, except in the parsers that jsonargparse makes for the arguments of one class.
            ImportError: a class that was named cannot be imported, for want of a package.
        """
        if not self.exit_on_error:
            super().error(message, ex)
        cause: BaseException | None = ex
        while cause is not None:
            if isinstance(cause, ImportError) and missing_package(cause) and f"'{cause.name}." not in message:
                raise cause  # not the class is missing, but what it needs
            cause = cause.__cause__ or cause.__context__
        raise InputError(explain(message, getattr(ex, "subcommand_parser", self))) from ex

    def parse_args(self, *args: Any, **kwargs: Any) -> Namespace:  # type: ignore[override]  # argparse has overloads
        """See jsonargparse.

        Raises:
            InputError: the words are wrong; or they name a class after options of its own, which it would not have.
        """
        parsed: Namespace = super().parse_args(*args, **kwargs)
        if self.exit_on_error:
            line = on_the_line(self.args)
            for place, later in enumerate(line):
                early = next((item.key for item in line[:place] if item.key.startswith(f"{later.key}.")), None)
                if early and not later.in_list and _at(later.value or "") is not None:
                    raise InputError(f"command line: {early} stands before its class; put --{later.key} first")
        return parsed

    def plain(self, config: Namespace) -> dict[str, Any]:
        """Parsed options in plain types, defaults included, as a config file would say them."""
        found: dict[str, Any] = yaml.safe_load(self.dump(config, skip_unset=False))
        return found

    def instantiate(self, namespace: Namespace, *args: Any, **kwargs: Any) -> Namespace:
        """What parsed options stand for.

        Raises:
            InputError: a class refuses its options; what else a constructor raises comes out as it is, too.
        """
        own = partial(super().instantiate, *args, **kwargs)
        built: Namespace = construct(own, namespace) if self.exit_on_error else own(namespace)
        return built


def explain(message: str, parser: ArgumentParser) -> str:
    """The message of jsonargparse as one line: what is wrong, where, and the near miss.

    Args:
        message: what the parser says.
        parser: the parser of all commands or of one, after it was given its words (its attribute `args`).
    """
    try:
        written = given(list(getattr(parser, "args", None) or []))
    except InputError as error:
        return str(error)
    if re.search("Exceeds the limit|too large to convert", message):
        for item in written:
            if re.fullmatch(r"[-+]?\d{300,}", item.value or ""):  # the parser blames what stands around it
                return f"{item.where}: {item.key} is {quoted(item.value)}, a number of too many digits"
    places = re.findall(r'Parser key "([^"]+)"', message)
    root = short(places[0]) if places else ""
    unknown = re.search(
        r"does not accept option '([^']+)'|Option '([^']+)' is not accepted|unrecognized arguments: (\S+)", message
    )
    if unknown:
        return _unknown_key(next(filter(None, unknown.groups())), root, written, parser)
    if required := re.search(r"the following arguments are required: ([\w., ]+)", message):
        return _not_set([short(name) for name in required[1].split(", ")], root, written)
    if option := re.search(r"argument (?:\S+/)?--(\S+): expected", message):
        word = next((item.key for item in reversed(written) if not item.value and _within(item.key, option[1])), None)
        return f"command line: --{word or option[1]} has no value after it; give one"
    place = _find(places[-1], root, written) if places else None
    if place is None:
        return _clean(message)
    return _bad_class(message, place, written) or _bad_value(message, place)


# What is wrong --------------------------------------------------------------------------------------------------------


def _unknown_key(name: str, root: str, written: list[Given], parser: ArgumentParser) -> str:
    option = name.startswith("-")
    if not option and not root and "unrecognized" in name:
        return _clean(name)
    name = short(name.lstrip("-").partition("=")[0].rstrip("+"))
    place = _find(name, root, written)
    key, where = (place.key, place.where) if place else (".".join(filter(None, (root, name))), "command line")
    if place is None and not option and not root:
        return f"command line: {quoted(name)} follows no option; options are written --key value"
    known = _known_keys(written, parser)
    if key in known:
        return f"{where}: {key} stands before what says which class it is for; put --config first"
    parent = key.rpartition(".")[0]
    siblings = sorted(one.removeprefix(f"{parent}.") for one in known if one.rpartition(".")[0] == parent)
    if near := _near(key, known):
        hint = f"did you mean {near!r}?"
    elif parent and 0 < len(siblings) < 20:
        hint = f"{parent} has {', '.join(siblings)}"
    else:
        hint = "add --help to see the keys"
    return f"{where}: no such key {quoted(key)}; {hint}"


def _not_set(names: list[str], root: str, written: list[Given]) -> str:
    names = [re.sub(r"^(fit|validate|test|predict)\.", "", name) for name in names]
    owners = [key for key, paths in _classes(written).items() for path in paths if set(names) <= set(_keys(path))]
    prefix = f"{owners[-1] if owners else root}.".lstrip(".")
    what = ", ".join(prefix + name for name in names)
    return f"not set: {what}; give a value, or start from a shipped config such as --config demo.yaml"


def _bad_class(message: str, place: Given, written: list[Given]) -> str | None:
    """What is wrong with a class path, if that is what is wrong."""
    shipped = _shipped_classes()
    wrong = re.findall(r"Problem with given class_path '([^']+)':\s+(?!Parser key)(\S[^\n]*)", message)
    wrong += [(path, "") for path in re.findall(r"Expected a dot import path string: ([^\n]+)", message)]
    if not wrong:
        # of several classes that could stand there, the one that was named is complained of last
        detail = message[message.rindex("Parser key") :]
        if kind := re.search(r"does not correspond to a subclass of (\w+)|Not a valid subclass of (\w+)", detail):
            classes = sorted(path for path, key in shipped.items() if key == place.key)
            hint = f"choose a class such as {', '.join(classes[:3])}" if classes else "name another class"
            return f"{place.where}: {place.key} is {quoted(place.value)}, which is no {kind[1] or kind[2]}; {hint}"
        return None
    path, reason = wrong[-1]
    named = re.match(r"module '([\w.]+)' has no attribute '(\w+)'", reason)
    if named and not path.startswith(f"{named[1]}."):
        path = f"{named[1]}.{named[2]}"  # the class around it is not to blame
    place = next((item for item in reversed(written) if item.value == path), place)
    candidates = [*shipped, *_classes_beside(path)]
    names = {one.rpartition(".")[2]: one for one in candidates}
    near = difflib.get_close_matches(path, candidates, 1, 0.8)
    near = near or [names[one] for one in difflib.get_close_matches(path.rpartition(".")[2], names, 1, 0.8)]
    if near and near[0] != path:
        hint = f"did you mean {near[0]!r}?"
    else:
        hint = reason or "write its module too, such as lightning_modules.encoders.GCNEncoder"
    return f"{place.where}: {place.key} names no class that can be used, {quoted(path)}; {hint}"


def _bad_value(message: str, place: Given) -> str:
    detail = message[message.rindex("Parser key") :]
    kinds = dict.fromkeys(re.findall(r"Expected an? <class '([\w.]+)'>", detail))
    unwanted = ("NoneType", "bool") if place.key == "seed_everything" else ("NoneType",)  # Lightning's "any seed"
    wanted = [_TYPES.get(kind, kind.rpartition(".")[2]) for kind in kinds if kind not in unwanted]
    groups = re.findall(r"Literal\[([^\]]+)\]", detail)
    if choices := list(dict.fromkeys(choice for group in groups for choice in re.findall(r"\w[\w.-]*", group))):
        near = difflib.get_close_matches(place.value or "", choices, 1)
        wanted.append(f"one of {', '.join(choices)}" + (f"; did you mean {near[0]!r}?" if near else ""))
    if not wanted:
        return f"{place.where}: {place.key}: {_clean(detail.partition(':')[2])}"
    value = "given further keys" if place.value is None else quoted(place.value)
    return f"{place.where}: {place.key} is {value}, expected {' or '.join(wanted)}"


def _find(name: str, root: str, written: list[Given]) -> Given | None:
    """The last thing written under `root` whose key ends with `name`."""
    name = short(name)
    for item in reversed(written):
        if _within(item.key, root) and f".{item.key}".endswith(f".{name}"):
            return item
    return None


def _within(key: str, root: str) -> bool:
    return not root or key == root or key.startswith(f"{root}.")


def _clean(message: str) -> str:
    """Whatever jsonargparse says, without its lists of types and representations of values."""
    noise = r"Given value|Subtypes: |Errors:$|Does not validate against|- Expected a <class 'NoneType'>"
    lines = [line.strip() for line in message.splitlines()]
    text = "; ".join(line.removeprefix("- ") for line in lines if line and not re.match(noise, line))
    text = re.sub(r"<class '(?:[\w.]+\.)?(\w+)'>", r"\1", text)
    return re.sub(r':;? ?Parser key "([^"]+)"', r": \1", text).replace(":;", ":")


# What there is --------------------------------------------------------------------------------------------------------


def _known_keys(written: list[Given], parser: ArgumentParser) -> set[str]:
    """Every key of the parser, and of the classes chosen so far."""
    keys = _with_parents(_options(parser))
    for prefix, paths in sorted(_classes(written).items()):
        if prefix in keys:
            keys |= _with_parents(f"{prefix}.{key}" for path in paths for key in _keys(path))
    return keys


def _with_parents(keys: Iterable[str]) -> set[str]:
    return {start for key in keys for start in accumulate(key.split("."), "{}.{}".format)} - {""}


def _classes(written: list[Given]) -> dict[str, list[str]]:
    """By key, the class paths that stand there; several in a list."""
    found: dict[str, list[str]] = {}
    for item in written:
        if item.value and _load(item.value) is not None:
            found[item.key] = [*(found.get(item.key, []) if item.in_list else []), item.value]
    return found


@cache
def _load(path: str) -> type | None:
    """The class of a dotted path; None if there is none."""
    found = _at(path) if "." in path else None
    return found if inspect.isclass(found) else None


def _at(path: str) -> Any:
    """What stands at an import path; None if there is nothing."""
    try:
        return pkgutil.resolve_name(path)
    except Exception:  # whatever importing a stranger's module provokes; the parser has said so already
        return None


@cache
def _keys(path: str) -> tuple[str, ...]:
    """The options of a class, those it passes on to its base included."""
    cls = _load(path)
    if cls is None:
        return ()
    parser = ArgumentParser(exit_on_error=False)
    try:
        parser.add_class_arguments(cls, fail_untyped=False)
    except Exception:  # a class that jsonargparse cannot read has no options to suggest
        return ()
    return tuple(_options(parser))


def _options(parser: ArgumentParser) -> list[str]:
    """The keys of a parser, without what jsonargparse keeps for itself."""
    return [short(key) for key, _ in parser.get_defaults(skip_validation=True).items() if not key.startswith("_")]


@cache
def _shipped_classes() -> dict[str, str]:
    """Class paths in the shipped configs, and the key each stands at."""
    written = [item for path in sorted(CONFIGS.glob("*.yaml")) for item in read(path)]
    return {path: key for item in written for key, paths in _classes([item]).items() for path in paths}


def _classes_beside(path: str) -> list[str]:
    """Class paths in the module that `path` names, if there is one."""
    module = path.rpartition(".")[0]
    found = _at(module)
    names = vars(found) if inspect.ismodule(found) else {}
    return [f"{module}.{name}" for name, value in names.items() if inspect.isclass(value)]


def _near(wrong: str, known: Iterable[str]) -> str | None:
    """The known key that `wrong` most resembles: beside it, as a whole, or by its last part."""
    parent, _, leaf = wrong.rpartition(".")
    known = sorted(known)
    siblings = {key.rpartition(".")[2]: key for key in known if key.rpartition(".")[0] == parent}
    if found := difflib.get_close_matches(leaf, siblings, 1):
        return siblings[found[0]]
    if parent not in known and (found := difflib.get_close_matches(wrong, known, 1, 0.8)):
        return found[0]
    leaves = {key.rpartition(".")[2]: key for key in known}
    return next((leaves[one] for one in difflib.get_close_matches(leaf, leaves, 1, 0.85)), None)
