-- Work with a concurrency key, first half of claim: locks lanes that have room and gives slots to
-- those whose turn it is. turns: where each candidate stands, see pick_by_turn. Internal; settle_slots
-- is the second half.
create or replace function {schema}.take_slots(
    p_app text, p_queues text[], p_limit integer, p_now timestamptz,
    out lanes bigint[], out candidates uuid[], out turns double precision[]
) language plpgsql as $$
declare
    v_picked uuid[];
    v_lanes  bigint[];
    v_turns  double precision[];
begin
    lanes := offer_lanes(p_app, p_queues, p_limit, p_now);
    candidates := '{}';
    turns := '{}';
    if lanes = '{}' then
        return;
    end if;
    -- A new statement, so a new snapshot: what the lanes hold now that they are ours.
    select p.ids, p.lanes, p.turns into v_picked, v_lanes, v_turns
    from pick_by_turn(p_queues, lanes, p_limit, p_now) p;
    if v_picked is null then
        return;
    end if;

    with mine as materialized (
        select c.*, row_number() over (partition by c.lane order by c.n) as nth
        from unnest(v_picked, v_lanes, v_turns) with ordinality c (id, lane, turn, n)
        cross join lateral (
            select from invocation_state s
            where s.invocation_id = c.id and s.available and not s.parked and s.due_at is null
            offset 0 for no key update skip locked) s
    ), free as materialized (
        -- After its slots were lowered a lane may hold numbers above them: those count, too.
        select m.lane, array(
            select g from generate_series(1, least(l.slots, m.wanted + (
                       select count(*) from slot x where x.lane = m.lane))::integer) g
            where g not in (select x.n from slot x where x.lane = m.lane)) as numbers
        from (select lane, count(*) as wanted from mine group by lane) m
        cross join lateral (select l.slots from lane l where l.lane_id = m.lane offset 0) l
    ), filled as (
        insert into slot (lane, n, invocation_id)
        select m.lane, f.numbers[m.nth], m.id from mine m join free f on f.lane = m.lane
    )
    select array_agg(m.id order by m.n), array_agg(m.turn order by m.n) into candidates, turns
    from mine m;
    candidates := coalesce(candidates, '{}');
    turns := coalesce(turns, '{}');
end $$;
