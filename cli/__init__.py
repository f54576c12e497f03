"""The command line: configs found, options parsed, objects built, errors explained."""
