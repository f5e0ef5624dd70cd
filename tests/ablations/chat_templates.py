"""Chat templates of real models, by what they write: their markup, their trimming and their default system turns."""

_LLAMA3_TURN = "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}"
_GENERATE_LLAMA3 = "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
_CHATML_TURN = "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}"
_GENERATE_CHATML = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
_ALTERNATE = (
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
)


def _default_system(words: str) -> str:
    return (
        "{% if loop.first and messages[0]['role'] != 'system' %}"
        f"{{{{ '<|im_start|>system\n{words}<|im_end|>\n' }}}}{{% endif %}}"
    )


SMOLLM2_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
QWEN2_SYSTEM = "You are a helpful assistant."
QWEN25_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."

# name -> (template, beginning-of-sequence token, what stands before the user's turn unless a system turn is given)
TEMPLATES = {
    "llama 2": (
        "{% if messages[0]['role'] == 'system' %}"
        "{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
        "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}"
        "{% for m in loop_messages %}" + _ALTERNATE + "{% if loop.index0 == 0 and system_message != false %}"
        "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + m['content'] %}"
        "{% else %}{% set content = m['content'] %}{% endif %}"
        "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
        "{% elif m['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
        "<s>",
        "",
    ),
    "llama 3": (
        "{% set loop_messages = messages %}{% for m in loop_messages %}"
        "{% if loop.index0 == 0 %}{{ bos_token }}{% endif %}" + _LLAMA3_TURN + "{% endfor %}" + _GENERATE_LLAMA3,
        "<|begin_of_text|>",
        "",
    ),
    "llama 3.1": (
        "{{- bos_token }}\n{%- if not date_string is defined %}\n"
        "    {%- if strftime_now is defined %}\n        {%- set date_string = strftime_now('%d %b %Y') %}\n"
        "    {%- else %}\n        {%- set date_string = '26 Jul 2024' %}\n    {%- endif %}\n{%- endif %}\n"
        "{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content']|trim %}\n"
        "    {%- set messages = messages[1:] %}\n{%- else %}\n    {%- set system_message = '' %}\n{%- endif %}\n"
        "{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}\n"
        "{{- 'Cutting Knowledge Date: December 2023\\n' }}\n{{- 'Today Date: ' + date_string + '\\n\\n' }}\n"
        "{{- system_message }}\n{{- '<|eot_id|>' }}\n"
        "{%- for m in messages %}\n    {%- if not (m.role == 'ipython' or m.role == 'tool' or 'tool_calls' in m) %}\n"
        "        {{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n'+ m['content'] | trim"
        " + '<|eot_id|>' }}\n"
        "    {%- endif %}\n{%- endfor %}\n"
        "{%- if add_generation_prompt %}\n"
        "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n",
        "<|begin_of_text|>",
        "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
        "Today Date: 26 Jul 2024\n\n<|eot_id|>",
    ),
    "mistral 0.1": (
        "{{ bos_token }}{% for m in messages %}" + _ALTERNATE + "{% if m['role'] == 'user' %}"
        "{{ '[INST] ' + m['content'] + ' [/INST]' }}{% elif m['role'] == 'assistant' %}"
        "{{ m['content'] + eos_token }}{% else %}"
        "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}",
        "<s>",
        "",
    ),
    "mistral 0.3": (
        "{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content'] %}\n"
        "    {%- set loop_messages = messages[1:] %}\n{%- else %}\n    {%- set loop_messages = messages %}\n"
        "{%- endif %}\n{{- bos_token }}\n{%- for m in loop_messages %}\n    {%- if m['role'] == 'user' %}\n"
        "        {%- if loop.last and system_message is defined %}\n"
        "            {{- '[INST] ' + system_message + '\\n\\n' + m['content'] + '[/INST]' }}\n        {%- else %}\n"
        "            {{- '[INST] ' + m['content'] + '[/INST]' }}\n        {%- endif %}\n"
        "    {%- elif m['role'] == 'assistant' %}\n        {{- ' ' + m['content'] + eos_token}}\n"
        "    {%- else %}\n        {{- raise_exception('Only user and assistant roles are supported!') }}\n"
        "    {%- endif %}\n{%- endfor %}\n",
        "<s>",
        "",
    ),
    "qwen 2": (
        "{% for m in messages %}" + _default_system(QWEN2_SYSTEM) + _CHATML_TURN + "{% endfor %}" + _GENERATE_CHATML,
        None,
        f"<|im_start|>system\n{QWEN2_SYSTEM}<|im_end|>\n",
    ),
    "qwen 2.5": (
        "{%- if tools %}\n    {{- '<|im_start|>system\\n# Tools' + tools | tojson + '<|im_end|>\\n' }}\n{%- else %}\n"
        "    {%- if messages[0]['role'] == 'system' %}\n"
        "        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}\n    {%- else %}\n"
        f"        {{{{- '<|im_start|>system\\n{QWEN25_SYSTEM}<|im_end|>\\n' }}}}\n    {{%- endif %}}\n{{%- endif %}}\n"
        "{%- for m in messages %}\n"
        "    {%- if (m.role == 'user') or (m.role == 'system' and not loop.first) or (m.role == 'assistant') %}\n"
        "        {{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' + '\\n' }}\n    {%- endif %}\n"
        "{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n",
        None,
        f"<|im_start|>system\n{QWEN25_SYSTEM}<|im_end|>\n",
    ),
    "qwen 3": (
        "{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}\n"
        "{%- for m in messages[::-1] %}\n    {%- set index = (messages|length - 1) - loop.index0 %}\n"
        "    {%- if ns.multi_step_tool and m.role == 'user' and m.content is string and not"
        "(m.content.startswith('<tool_response>') and m.content.endswith('</tool_response>')) %}\n"
        "        {%- set ns.multi_step_tool = false %}\n        {%- set ns.last_query_index = index %}\n"
        "    {%- endif %}\n{%- endfor %}\n"
        "{%- for m in messages %}\n"
        "    {%- if m.content is string %}\n        {%- set content = m.content %}\n    {%- else %}\n"
        "        {%- set content = '' %}\n    {%- endif %}\n"
        "    {{- '<|im_start|>' + m.role + '\\n' + content + '<|im_end|>' + '\\n' }}\n{%- endfor %}\n"
        "{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n"
        "    {%- if enable_thinking is defined and enable_thinking is false %}\n"
        "        {{- '<think>\\n\\n</think>\\n\\n' }}\n    {%- endif %}\n{%- endif %}",
        None,
        "",
    ),
    "smollm2": (
        "{% for m in messages %}" + _default_system(SMOLLM2_SYSTEM) + _CHATML_TURN + "{% endfor %}" + _GENERATE_CHATML,
        "<|im_start|>",
        f"<|im_start|>system\n{SMOLLM2_SYSTEM}<|im_end|>\n",
    ),
    "tinyllama and zephyr": (
        "{% for m in messages %}\n{% if m['role'] == 'user' %}\n{{ '<|user|>\n' + m['content'] + eos_token }}\n"
        "{% elif m['role'] == 'system' %}\n{{ '<|system|>\n' + m['content'] + eos_token }}\n"
        "{% elif m['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + m['content'] + eos_token }}\n{% endif %}\n"
        "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
        "<s>",
        "",
    ),
    "chatml": ("{% for m in messages %}" + _CHATML_TURN + "{% endfor %}" + _GENERATE_CHATML, None, ""),
    "parts": (
        "{% for m in messages %}<|{{ m.role }}|>{% for part in m.content %}{% if part.type == 'text' %}"
        "{{ part.text | trim }}{% endif %}{% endfor %}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}",
        None,
        "",
    ),
    "generation block": (
        "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}"
        "{% else %}[{{ m.role }}]{{ m.content }}\n{% endif %}{% endfor %}{% if add_generation_prompt %}[assistant]"
        "{% endif %}",
        None,
        "",
    ),
}
