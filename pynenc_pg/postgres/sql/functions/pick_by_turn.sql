-- The next of these lanes in turn: the first of each by when it was served, the others as if it were
-- served now, and never before their first; its priority puts a lane ahead. turns: by rank, where each stands among the work that
-- has no key; the first in turn has the lowest rank of all. Internal to take_slots, which has locked
-- the lanes; nulls where there is nothing.
create or replace function {schema}.pick_by_turn(
    p_queues text[], p_lanes bigint[], p_limit integer, p_now timestamptz,
    out ids uuid[], out lanes bigint[], out turns double precision[]
) language plpgsql as $$
declare
    v_share integer;
    v_cut   boolean;
begin
    -- Of many lanes that are alike a few each are enough, unless that leaves too few. One that counts as
    -- served later than now, but for the few microseconds of its place in a claim, is not like the others.
    select case when count(distinct (l.queue, l.ahead)) = 1 and count(l.queue) = count(*)
                     and max(l.served) < p_now - make_interval(secs => min(l.ahead) - 0.01)
                then 1 + 2 * p_limit / count(*) else p_limit end into v_share
    from lane l where l.lane_id = any (p_lanes);
    loop
        with offered as materialized (
            select l.lane_id, l.served, p_now - make_interval(secs => l.ahead) as again,
                   least(l.slots - (select count(*) from slot x where x.lane = l.lane_id),
                         l.rate - starts_since(l, p_now)) as room
            from lane l where l.lane_id = any (p_lanes)
        ), listed as materialized (
            select o.lane_id, w.invocation_id, w.rank, w.n, array_position(p_queues, w.queue) as q,
                   case when w.n = 1 then o.served else greatest(o.served, o.again) end as turn
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
        into ids, lanes, turns, v_cut from chosen c;
        exit when ids is null or v_share >= p_limit or not v_cut;
        v_share := p_limit;
    end loop;
end $$;
