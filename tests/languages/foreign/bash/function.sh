answer() { printf '{"theirs": "bash", "event": %s}' "$1"; }
