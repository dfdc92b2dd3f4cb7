-- The first days' partitions; from here on maintain keeps them ahead. Left to the first register,
-- they would be made inside of its caller's transaction, with everybody else waiting for its end.
select {schema}.ensure_partitions();
