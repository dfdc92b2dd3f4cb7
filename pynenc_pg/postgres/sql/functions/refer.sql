-- Notes which invocations need which payloads (p_ids and p_hashes belong together), of those among
-- p_become; answers p_become, so that it can stand around or inside a call of another verb: register,
-- finish, retry. Locks: the payloads, key share. Raises: 23503 a payload that is not there.
create or replace function {schema}.refer(
    p_app text, p_become uuid[], p_ids uuid[], p_hashes text[]
) returns uuid[] language plpgsql {definer} as $$
begin
    insert into payload_ref (app_id, sha256, invocation_id)
    select distinct p_app, decode(r.name, 'hex'), r.id
    from unnest(p_ids, p_hashes) r (id, name) where r.id = any (p_become)
    order by 2, 3
    on conflict do nothing;
    return p_become;
end $$;
