-- Sees to it that payloads are there, and stay until this transaction ends; answers the names of those
-- that are not (null: none), for which the caller sends the content then. Names are SHA-256 in
-- hexadecimal digits; the contents belong to the first of them.
-- Locks: payloads by name: key share, as a reference does. Raises: 23514 a name that is none.
create or replace function {schema}.hold(
    p_app text, p_hashes text[], p_contents bytea[] default '{}', p_codecs text[] default '{}'
) returns text[] language plpgsql {definer} as $$
declare
    v_missing text[];
begin
    perform check_isolation();
    -- One that is there already counts as new, or it might be collected before anybody refers to it.
    insert into payload as p (app_id, sha256, bytes, codec)
    select distinct on (n.name) p_app, decode(n.name, 'hex'), n.content, n.codec
    from unnest(p_hashes[:cardinality(p_contents)], p_contents, p_codecs) n (name, content, codec)
    order by n.name
    on conflict (app_id, sha256) do update set created_at = clock_timestamp()
    where p.created_at < clock_timestamp() - interval '1 hour';
    -- A new statement: what is collected at this moment is waited for, and found missing.
    with here as materialized (
        select l.name from (select name from unnest(p_hashes) name order by name) l
        cross join lateral (
            select from payload p where p.app_id = p_app and p.sha256 = decode(l.name, 'hex')
            offset 0 for key share) x
    )
    select array_agg(w.name) into v_missing
    from unnest(p_hashes) w (name) where w.name not in (select h.name from here h);
    return v_missing;
end $$;
