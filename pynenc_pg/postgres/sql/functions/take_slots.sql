-- Work with a concurrency key, first half of claim: locks lanes that have room, in the order of
-- their turn, and gives slots to candidates. Internal; settle_slots is the second half.
-- Lanes take turns: the first of each by when it was served, the others as if it were served now;
-- its priority puts a lane ahead. turns: by rank, where each candidate stands among the work that has
-- no key; the first in turn has the lowest rank of all.
-- Costs one look at the lane table where no lane is in use.
create or replace function {schema}.take_slots(
    p_app text, p_queues text[], p_limit integer, p_now timestamptz,
    out lanes bigint[], out candidates uuid[], out turns double precision[]
) language plpgsql as $$
declare
    v_share integer;
    v_cut   boolean;
    v_ids   uuid[];
    v_lanes bigint[];
    v_turns double precision[];
begin
    lanes := array(
        select t.lane_id from (
            select q.n, x.* from unnest(p_queues) with ordinality q (name, n) cross join lateral (
                select l.lane_id, l.served, l.key from lane l
                where l.app_id = p_app and l.queue = q.name
                  and (exists (select from invocation_state s
                               where s.lane = l.lane_id and s.must_not_wait and s.due_at is null
                                 and s.available and not s.parked)
                       or (l.next_at is null or l.next_at <= p_now)
                          and l.slots > (select count(*) from slot x where x.lane = l.lane_id)
                          and exists (select from invocation_state s
                                      where s.lane = l.lane_id and s.lane is not null
                                        and s.due_at is null and s.available and not s.parked
                                      offset 0))
                order by l.served, l.key limit p_limit for no key update skip locked) x
            union all
            select 1, y.* from (
                select l.lane_id, l.served, l.key from lane l
                where l.queue is null and l.app_id is not distinct from p_app
                  and (exists (select from invocation_state s
                               where s.lane = l.lane_id and s.must_not_wait and s.due_at is null
                                 and s.available and not s.parked)
                       or (l.next_at is null or l.next_at <= p_now)
                          and l.slots > (select count(*) from slot x where x.lane = l.lane_id)
                          and exists (select from invocation_state s
                                      where s.lane = l.lane_id and s.lane is not null
                                        and s.due_at is null and s.available and not s.parked
                                      offset 0))
                order by l.served, l.key limit p_limit for no key update skip locked) y
        ) t order by t.n, t.served, t.key limit p_limit);
    candidates := '{}';
    turns := '{}';
    if lanes = '{}' then
        return;
    end if;

    -- A new statement, so a new snapshot: what the lanes hold now that they are ours. Of many equal
    -- lanes a few each are enough, unless that leaves too few.
    select case when count(distinct (l.queue, l.ahead)) = 1 then 1 + 2 * p_limit / count(*)
           else p_limit end into v_share
    from lane l where l.lane_id = any (lanes);
    loop
        with offered as materialized (
            select l.lane_id, l.served, p_now - make_interval(secs => l.ahead) as again,
                   least(l.slots - (select count(*) from slot x where x.lane = l.lane_id),
                         l.rate - starts_since(l, p_now)) as room
            from lane l where l.lane_id = any (lanes)
        ), listed as materialized (
            select o.lane_id, w.invocation_id, w.rank, w.n, array_position(p_queues, w.queue) as q,
                   case when w.n = 1 then o.served else o.again end as turn
            from offered o cross join lateral (
                select f.*, row_number() over (order by f.rank, f.invocation_id) as n from (
                    select a.invocation_id, a.rank, a.queue from invocation_state a
                    where a.lane = o.lane_id and a.lane is not null and a.queue = any (p_queues)
                      and a.available and not a.parked and a.due_at is null
                      and (a.expires_at is null or a.expires_at > p_now)
                    order by a.rank, a.invocation_id
                    limit greatest(0, least(v_share, o.room))) f) w
        ), chosen as materialized (
            select l.*, row_number() over (order by l.q, l.turn, l.n, l.rank, l.invocation_id) as place
            from listed l order by place limit p_limit
        )
        select array_agg(c.invocation_id order by c.place), array_agg(c.lane_id order by c.place),
               -- Within a queue, so in the same order: the lowest rank for the first in turn.
               (select array_agg(r.rank order by r.q, r.rank) from chosen r),
               count(*) < p_limit and (select max(l.n) >= v_share from listed l)
        into v_ids, v_lanes, v_turns, v_cut from chosen c;
        exit when v_ids is null or v_share >= p_limit or not v_cut;
        v_share := p_limit;
    end loop;
    if v_ids is null then
        return;
    end if;

    with mine as materialized (
        select c.*, row_number() over (partition by c.lane order by c.n) as nth
        from unnest(v_ids, v_lanes, v_turns) with ordinality c (id, lane, turn, n)
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
        join lane l on l.lane_id = m.lane
    ), filled as (
        insert into slot (lane, n, invocation_id)
        select m.lane, f.numbers[m.nth], m.id from mine m join free f on f.lane = m.lane
    )
    select array_agg(m.id order by m.n), array_agg(m.turn order by m.n) into candidates, turns
    from mine m;
    candidates := coalesce(candidates, '{}');
    turns := coalesce(turns, '{}');
end $$;
