-- Everything but the schema itself, which may hold Alembic's version table.
do $$
declare
    v_drop text;
begin
    for v_drop in
        select format('drop view %s', c.oid::regclass) from pg_class c
        where c.relnamespace = '{schema}'::regnamespace and c.relkind = 'v'
    loop
        execute v_drop;
    end loop;
    for v_drop in
        select format('drop table if exists %s cascade', c.oid::regclass) from pg_class c
        where c.relnamespace = '{schema}'::regnamespace and c.relkind in ('r', 'p')
          and not c.relispartition and c.relname <> 'alembic_version'
    loop
        execute v_drop;
    end loop;
    for v_drop in
        select format('drop function if exists %s cascade', p.oid::regprocedure) from pg_proc p
        where p.pronamespace = '{schema}'::regnamespace
    loop
        execute v_drop;
    end loop;
    drop sequence {schema}.lease_seq;
    drop type {schema}.invocation_status;
end $$;
