-- Looks at up to p_limit payloads after one, by name, and removes those that are older than p_age
-- seconds and that nobody refers to. Answers how many, and where to go on (null: that was the end).
-- Locks: those it removes; skips what somebody is about to refer to. Raises nothing of its own.
create or replace function {schema}.collect(
    p_app text, p_after text, p_age double precision, p_limit integer
) returns table (removed integer, next_after text) language plpgsql {definer} as $$
declare
    v_before timestamptz := clock_timestamp() - make_interval(secs => p_age);
    v_seen   bytea[];
    v_old    bytea[];
begin
    perform check_isolation();
    v_seen := array(
        select p.sha256 from payload p where p.app_id = p_app and p.sha256 > decode(p_after, 'hex')
        order by p.sha256 limit p_limit);
    v_old := array(
        select p.sha256
        from unnest(v_seen) s (sha256) cross join lateral (
            select x.sha256 from payload x
            where x.app_id = p_app and x.sha256 = s.sha256 and x.created_at < v_before
              and not exists (select from payload_ref r
                              where r.app_id = x.app_id and r.sha256 = x.sha256 offset 0)
            offset 0 for update skip locked) p);
    -- A new statement: with these locked nobody can refer to them any more, but somebody may have
    -- while we looked. They stand where they stood, being locked.
    with gone as (
        delete from payload p where p.ctid = any (array(
            select x.ctid from unnest(v_old) o (sha256) cross join lateral (
                select x.ctid from payload x
                where x.app_id = p_app and x.sha256 = o.sha256 and x.created_at < v_before
                  and not exists (select from payload_ref r
                                  where r.app_id = p_app and r.sha256 = x.sha256 offset 0)
                offset 0) x))
        returning 1
    )
    select count(*) into removed from gone;
    next_after := case when cardinality(v_seen) = p_limit then encode(v_seen[p_limit], 'hex') end;
    return next;
end $$;
