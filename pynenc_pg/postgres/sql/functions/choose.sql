-- The first of one queue: what others wait for, then by rank, among work without a key and the
-- candidates that hold a slot. p_awaited: work without a key that others wait for; p_turns: by rank,
-- where each candidate stands. Internal to claim.
create or replace function {schema}.choose(
    p_app text, p_queue text, p_awaited uuid[], p_keyed uuid[], p_turns double precision[],
    p_floor double precision, p_limit integer, p_now timestamptz
) returns uuid[] language plpgsql as $$
begin
    return array(
        with free as materialized (
            select s.invocation_id, s.awaited, s.rank, 0 as n from invocation_state s
            where s.app_id = p_app and s.queue = p_queue and s.rank >= p_floor
              and s.available and s.due_at is null and s.lane is null
              and (s.expires_at is null or s.expires_at > p_now)
              and s.invocation_id <> all (p_awaited)
            order by s.rank, s.invocation_id limit p_limit - cardinality(p_awaited)
            for no key update skip locked
        ), known as (
            select s.invocation_id, s.awaited, coalesce(k.turn, s.rank) as rank, k.n
            from (select id, null::double precision as turn, 0 as n from unnest(p_awaited) id
                  union all select * from unnest(p_keyed, p_turns) with ordinality) k
            cross join lateral (
                select * from invocation_state s where s.invocation_id = k.id offset 0) s
            where s.queue = p_queue
        )
        select c.invocation_id from (table free union all table known) c
        order by c.awaited desc nulls last, c.rank, c.n, c.invocation_id limit p_limit);
end $$;
