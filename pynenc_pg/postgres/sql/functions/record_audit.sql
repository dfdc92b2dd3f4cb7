-- Writes down what somebody has done by hand, in the transaction in which it is done: who, what, on which,
-- from where, with what outcome. Nothing takes it away again.
create or replace function {schema}.record_audit(
    p_app text, p_who text, p_action text, p_subject text, p_detail text, p_origin text, p_outcome text
) returns bigint language plpgsql {definer} as $$
declare
    v_id bigint;
begin
    insert into audit (app_id, at, who, db_user, action, subject, detail, origin, outcome)
    values (p_app, clock_timestamp(), p_who, session_user, p_action, p_subject, p_detail::json, p_origin,
            p_outcome)
    returning audit_id into v_id;
    return v_id;
end $$;
