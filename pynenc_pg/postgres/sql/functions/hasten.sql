-- Marks what is waited for, so that claims take it first, the deepest before the others. Internal
-- to pause. Rows that somebody else has locked are taken or changed just now: they are left out.
-- Two statements: PostgreSQL 18.6 crashed where an UPDATE looked for the partition of each depth.
create or replace function {schema}.hasten(p_app text, p_ids uuid[]) returns void
language plpgsql as $$
declare
    v_ids    uuid[];
    v_depths integer[];
begin
    select array_agg(s.invocation_id), array_agg(i.depth) into v_ids, v_depths
    from (select s.invocation_id from unnest(p_ids) a (id) cross join lateral (
              select s.invocation_id from invocation_state s
              where s.invocation_id = a.id and s.awaited is null and s.runner_id is null
              offset 0 for no key update skip locked) s offset 0) s
    cross join lateral (
        select i.depth from invocation i where i.invocation_id = s.invocation_id offset 0) i;
    if v_ids is not null then
        update invocation_state s set awaited = m.depth, previous_status = s.status
        from unnest(v_ids, v_depths) m (id, depth) where s.invocation_id = any (array[m.id]);
        perform rouse(p_app, null, cardinality(v_ids));  -- a claim that met them locked has passed them by
    end if;
end $$;
