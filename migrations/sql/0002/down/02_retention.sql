drop table {schema}.retention;
