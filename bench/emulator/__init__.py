"""The local loop, side by side with AWS SAM CLI and with the bare Runtime Interface Emulator.

`contenders` starts each of them on the same image, `load` sends events, `__main__` measures and
writes the tables.
"""
