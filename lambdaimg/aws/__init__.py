"""What the kit knows of AWS beside the targets: clients, identity, errors, waiting, tags."""
