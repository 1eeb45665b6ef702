-- Customers of the insurer who bought something up to the base date.
-- Grain: one row a customer. Key: customer_id.
-- The insurer tells nothing else about them; a customer is known from the first purchase on.
SELECT
    CAST(user_id AS STRING) AS customer_id,
    CAST(NULL AS STRING) AS sex,
    CAST(NULL AS DATE) AS birth_date,
    CAST(NULL AS STRING) AS age_band,
    'unknown' AS occupation_group,
    CAST(NULL AS STRING) AS region_code,
    MIN(CAST(substr(event_time, 1, 10) AS DATE)) AS joined_on,
    FALSE AS has_deposit,
    TRUE AS has_insurance,
    FALSE AS has_card,
    FALSE AS has_fund,
    'I' AS holding_type
FROM ${bank}.purchase
WHERE CAST(substr(event_time, 1, 10) AS DATE) <= ${base_date}
GROUP BY user_id
