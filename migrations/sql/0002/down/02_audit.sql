drop table {schema}.audit;
