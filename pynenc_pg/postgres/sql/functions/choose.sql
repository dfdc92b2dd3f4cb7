-- The first of one queue by rank among work without a key and the candidates that hold a slot.
-- Internal to claim.
create or replace function {schema}.choose(
    p_app text, p_queue text, p_keyed uuid[], p_floor double precision, p_limit integer,
    p_now timestamptz
) returns uuid[] language plpgsql as $$
begin
    return array(
        with free as materialized (
            select s.invocation_id, s.rank from invocation_state s
            where s.app_id = p_app and s.queue = p_queue and s.rank >= p_floor
              and s.available and s.due_at is null and s.lane is null
              and (s.expires_at is null or s.expires_at > p_now)
            order by s.rank, s.invocation_id limit p_limit for no key update skip locked
        ), keyed as (
            select s.invocation_id, s.rank from unnest(p_keyed) k (id) cross join lateral (
                select * from invocation_state s where s.invocation_id = k.id offset 0) s
            where s.queue = p_queue
        )
        select c.invocation_id from (table free union all table keyed) c
        order by c.rank, c.invocation_id limit p_limit);
end $$;
