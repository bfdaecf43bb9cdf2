"""What the tests share: AWS endpoints, a proxy that counts and spoils calls, the command line."""
