-- Writes the hot rows of calls of which some have a registration key, one per key; a call whose
-- key is taken by a not-yet-started invocation becomes that one. Internal; answers in order.
-- Locks: the rows that hold the keys, by id like every verb; rows that appear meanwhile, by key.
-- The lock keeps an invocation that is reused from starting before the caller commits.
create or replace function {schema}.reserve_keys(
    p_app text, p_queue text, p_now timestamptz, p_due timestamptz, p_expires timestamptz,
    p_rank double precision, p_must_not_wait boolean, p_changed_by text,
    p_ids uuid[], p_keys text[], p_lanes bigint[]
) returns uuid[] language plpgsql as $$
declare
    v_become uuid[];
    v_held   uuid[];
begin
    v_held := array(select s.invocation_id from unnest(p_keys) k (key) cross join lateral (
                        select s.invocation_id from invocation_state s
                        where s.app_id = p_app and s.registration_key = k.key offset 0) s);
    perform from invocation_state s where s.invocation_id = any (v_held)
    order by s.invocation_id for no key update;

    with call as (
        select c.id, c.key, c.lane, c.n
        from unnest(p_ids, p_keys, p_lanes) with ordinality c (id, key, lane, n)
    ), once as materialized (
        -- The same id again is the same call: here, and from an earlier try.
        select distinct on (c.id) c.* from call c order by c.id, c.n
    ), known as materialized (
        select c.id from once c where exists (
            select from invocation i where i.invocation_id = c.id offset 0)
    ), first as (
        select distinct on (c.key, c.alone) c.id, c.key, c.lane
        from (select *, case when key is null then id end as alone from once) c
        where c.id not in (select id from known) order by c.key, c.alone, c.n
    ), held as (
        insert into invocation_state as s (
            invocation_id, app_id, queue, status, status_at, changed_by, rank, due_at, expires_at,
            lane, must_not_wait, registration_key)
        select f.id, p_app, p_queue, 'registered', p_now, p_changed_by, p_rank, p_due, p_expires,
               f.lane, p_must_not_wait, f.key
        from first f order by f.key
        on conflict (app_id, registration_key) where registration_key is not null
        do update set previous_status = s.status
        returning s.invocation_id, s.registration_key
    )
    select array_agg(case when o.key is null or o.id in (select id from known) then o.id
                     else h.invocation_id end order by c.n)
    into v_become
    from call c join once o on o.id = c.id left join held h on h.registration_key = o.key;
    return v_become;
end $$;
