handler() { echo "never closed"
