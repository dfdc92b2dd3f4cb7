drop table {schema}.new_queue;
