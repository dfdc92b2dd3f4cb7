-- What must never be so, by the invariants I1 to I12 of the design: for people and tests. No row is good news.
-- about: which rows, p_limit of each rule at most. It reads all that is live, and what was called since p_since
-- (null: ever), of one app (null: of all); it may take long, changes nothing and locks nothing.
-- No nested loops: tables of a queue have no good statistics, and what WITH makes has none.
create or replace function {schema}.broken(p_app text, p_since timestamptz, p_limit integer)
returns table (invariant text, rule text, about text[])
language plpgsql stable security definer set search_path = {schema}, pg_catalog, pg_temp
set jit = off set enable_nestloop = off set timezone = 'UTC' as $$
#variable_conflict use_column
declare
    -- What is older than the first partition of the history proves nothing (ids may be a day off).
    v_kept constant timestamptz := (
        select min(to_timestamp(right(c.relname, 8), 'YYYYMMDD')) + interval '1 day'
        from pg_inherits h join pg_class c on c.oid = h.inhrelid
        where h.inhparent = '{schema}.invocation_history'::regclass);
    v_from constant uuid := coalesce(first_id(p_since), '00000000-0000-0000-0000-000000000000');
    v_full constant uuid := greatest(v_from, first_id(v_kept));
begin
    return query
    select b.* from broken_ends(p_app, v_from, p_limit) b
    union all select b.* from broken_history(p_app, v_full, p_limit) b
    union all select b.* from broken_owners(p_app, v_full, p_limit) b
    union all select b.* from broken_keys(p_app, p_limit) b
    union all select b.* from broken_causes(p_app, v_from, p_limit) b
    union all select b.* from broken_waits(p_app, p_limit) b
    union all select b.* from stranded(p_app, p_limit) b
    union all select b.* from mixed_apps(p_app, v_from, p_limit) b;
end $$;
