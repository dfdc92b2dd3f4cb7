drop table {schema}.call_key;
