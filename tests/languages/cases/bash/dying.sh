set -e
cat /nonexistent-table
handler() { echo never; }
