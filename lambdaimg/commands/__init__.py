"""The commands that are no targets, one file each; `lambdaimg.cli.COMMANDS` lists them."""
