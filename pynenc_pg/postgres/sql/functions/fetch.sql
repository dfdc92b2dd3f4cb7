-- The contents of payloads, as they were sent; those that are not there are left out.
create or replace function {schema}.fetch(p_app text, p_hashes text[])
returns table (name text, content bytea, codec text) language plpgsql stable {definer} as $$
begin
    return query
    select w.name, p.bytes, p.codec
    from unnest(p_hashes) w (name) cross join lateral (
        select * from payload x where x.app_id = p_app and x.sha256 = decode(w.name, 'hex') offset 0) p;
end $$;
