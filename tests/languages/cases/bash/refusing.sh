lambda_fail NoTable 'there is no "table"'

handler() { echo never; }
