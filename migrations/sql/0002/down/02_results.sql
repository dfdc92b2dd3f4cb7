drop table {schema}.call_result;
