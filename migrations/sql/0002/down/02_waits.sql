alter table {schema}.wait_edge drop column needed;
