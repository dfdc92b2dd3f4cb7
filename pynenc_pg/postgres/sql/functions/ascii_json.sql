-- A text as Python's json.dumps writes it: quoted, and all ASCII. Internal to canonical_json and call_digest.
create or replace function {schema}.ascii_json(p_text text) returns text
language plpgsql immutable strict as $$
declare
    v_json text collate "C" := to_json(p_text)::text;
begin
    if v_json ~ '^[ -~]*$' then
        return v_json;
    end if;
    return (
        select string_agg(case
            when x.point between 32 and 126 then x.letter
            when x.point < 65536 then '\u' || lpad(to_hex(x.point), 4, '0')
            else '\u' || to_hex(55296 + ((x.point - 65536) >> 10))
                 || '\u' || to_hex(56320 + ((x.point - 65536) & 1023)) end, '' order by x.n)
        from (select l.letter, ascii(l.letter) as point, l.n
              from regexp_split_to_table(v_json, '') with ordinality l (letter, n)) x);
end $$;
