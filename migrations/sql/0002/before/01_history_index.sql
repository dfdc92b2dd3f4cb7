-- The index of the history's partitions, which the revision makes of the whole table: one that is there is
-- taken as it is. The rows are the statements that are left to run; one that was broken off is made anew.
-- (pg_get_indexdef would tell an index, too, and wait for whoever has locked its table.)
with part as (
    select h.inhrelid as id, x.indexrelid as index_id, x.indisvalid
    from pg_inherits h
    join pg_attribute a on a.attrelid = h.inhrelid and a.attname = 'invocation_id'
    left join pg_index x on x.indrelid = h.inhrelid and x.indnatts = 1 and x.indkey[0] = a.attnum
                        and x.indpred is null and not x.indisunique
    where h.inhparent = '{schema}.invocation_history'::regclass
)
select format('drop index concurrently %s', index_id::regclass) from part where not indisvalid
union all
select format('create index concurrently on %s (invocation_id)', id::regclass) from part
where indisvalid is not true;
