sub answer { return { theirs => 'perl', event => $_[0] } }
1;
