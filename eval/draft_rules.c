// SPDX-License-Identifier: MIT
// What drafts are found by. The patterns leave out far more than they take: a draft that is
// wrong costs a person more than one that is missing.
#include "eval/draft_rules.h"

#include <stdlib.h>

static const char *const sources[] = {
    // An article; a name of one to four words; what brackets add; is; what it is.
    [RULE_DEFINITION] =
        "^(?!(?:an?|the|this|that|it|there|one|which|what) "
        ")(?!(?:Th(?:is|at|ese|ose|ey|ere|en|us)|It|Here|What|Wh(?:ich|o|en|ile|ere|y|at)|One|"
        "An?other|First|Second|Third|Such|S?he|We|You|I|Each|Every\\w*|Both|Some\\w*|Most|Many|"
        "All|No(?:ne|thing|body|w)?|If|As|In|At|On|For|From|With|By|But|And|Or|So|Since|"
        "Because|Although|Though|However|Now|Today|Also|Only|Once|After|Before|Unlike|Like|To|"
        "How|Its?|Their|His|Her|Our|Your|My|Other\\w*|Any\\w*|Having|Being|Using|See|Its|"
        "Similarly|Just|Even|Finally|Sometimes|Usually|Given|Two|Three|Several)\\b)(An? |The "
        ")?[“\"]?((?!\\w+ing )[\\p{L}\\d/][\\p{L}\\d.+/_'-]*(?: "
        "(?!(?:is|are|was|that|which|and|or|of|in|to|has|have|can|will|would|if|you|we|it|they|"
        "on|for|this|command|file)\\b)[\\p{L}\\d/][\\p{L}\\d.+/_'-]*){0,3}?)[”\"]?(?: "
        "\\([^()]{1,80}\\))?(?:, [^,.]{1,60},)? (is|are) ((?:an?|the|one of the) "
        "(?!(?:few|bit|lot|good|bad|great|nice|very|rather|slightly|more|most|less|simple "
        "(?:matter|way)|matter|case|same|only|first|second|third|last|next|following|previous|"
        "best|main|least|result|reason|goal|purpose|one|ways?|examples?|importants?|excellent|"
        "interesting|wonderful|problem|consequence|double|must|necessity|default|essential|"
        "perfect|useful|vast|huge|new|special "
        "case|particularly|fairly|quite|upstream|designer|authors?|maintainer|founder|leader|"
        "recent|crucial|key|major|real|sign|question)\\b)(?!program\\b|.{0,20} example "
        ")[^:]{20,400}?)[.]?$",
    [RULE_EMPTY_SUBJECT] =
        "(?i)\\b(?:fields?|lines?|columns?|files?|parameters?|arguments?|goals?|aims?|purposes?"
        "|results?|reasons?|steps?|problems?|ideas?|differences?|points?|cases?|things?|"
        "options?|ways?|examples?|answers?|solutions?|(?:dis)?advantages?|questions?|parts?|"
        "features?|tasks?|choices?|approach|times?|kinds?|types?|rules?|book|chapter|section|"
        "followings?|others?|authors?|principles?|criteri(?:on|a)|details?|exceptions?|process|"
        "operation|latter|former|situation|project|system|name|value|number|list|concept|"
        "company|above|below|again)$",
    [RULE_RELATION] = "(?i)\\b(?:that|which|who|whose|used|for|of|to|in|with|between|where|"
                      "containing|allowing|providing|linking|by|designed|based|from|on)\\b",
    [RULE_CLAUSE] = "(?: \\(|;| — | – |, "
                    "(?:which|but|so|because|as|since|while|though|although|even|thus|where)"
                    "\\b|,? and (?:can|is|has|was|are|will|[A-Z]\\w+ is)\\b|: ).*$",
    [RULE_DEFINITION_ZH] =
        "^(?!["
        "这那此它其该我你他她本但而也下以另还最第如当因所每某有一不在对从若只又再同请可就都很什"
        "哪为正注首随由于且则与及并或])(?!结果|问题|目的|原因|方法|关键|通常|默认|重点|换句|"
        "实际|事实|基本|特别|尤其|需要|使用|例子|剩下|真正|幸|意)[“\"]?([\\p{Han}A-Za-z\\d](?:("
        "?![的了都也会应要可能就不有在和与或将使被把])[\\p{Han}A-Za-z\\d ./+_-]){1,24}?)[”\"]? "
        "?(?:[（(][^（）()]{1,60}[）)])? "
        "?(?:就?是|指的?是|系指|指的?是)((?:一(?!样|般)|用[来于以]|指|由|负责)[^：:。]{7,200}?)"
        "。?$",
    [RULE_CLAUSE_ZH] = "(?:[；（]| \\(|(?<=.{5})，).*$",
    // Letters, then in brackets what they stand for; or the other way round.
    [RULE_ABBREVIATION] =
        "\\b([A-Z][A-Za-z]{1,7}) (?:\\(|stands for [“\"]?|is the (?:abbreviation|acronym) "
        "(?:of|for) [“\"]?)(?:the )?([A-Z][\\w-]*(?:[ -][A-Za-z][\\w-]*){1,6})(?=[),.”\"; ])",
    [RULE_EXPANSION] = "\\b([A-Z][\\w-]*(?: [A-Za-z][\\w-]*){1,6}) \\(([A-Z][A-Za-z]{1,7})\\)",
    // A flag, what it takes, two spaces or a sign, what it does.
    [RULE_OPTION] = "(?m)^[ \\t]*(?:[-*•] )?(?:-[A-Za-z], )?(--?[a-zA-Z][\\w-]*)(?:[ "
                    "=]\\[?[A-Za-z<][\\w.<>|=,-]*\\]?)?(?:(?: \\(or -\\w\\))?, |[ ]{2,}|\\t+|: "
                    "| — | – )([^\\n]{12,300})$",
    [RULE_ROW] = "(?m)^([\\w./+-]*[._/-][\\w./+-]*\\w/?|[\\w./-]+/) \\| "
                 "([^|\\n]*[\\p{L}][^|\\n]{11,300})",
    [RULE_COMMAND] = "\\b(?!(?:the|this|that|an?|and|or|each|its|these|those|such|same|other|"
                     "with|of|as|in|is|are|to|for|by|new|use|using|following|option|options|"
                     "two|both|command)\\b)([a-z][a-z0-9]*(?:-[a-z0-9]+)*)(?:\\(\\d\\))?(?: "
                     "-{1,2}[a-z]| commands?\\b| programs?\\b| tools?\\b| ?命令| ?工具)",
    [RULE_COMMAND_TITLE] =
        "^(?:[\\p{Han}\\p{L}：:. ]* )?([a-z][a-z0-9]*(?:-[a-z0-9]+)*)(?:\\(\\d\\))?$",
    [RULE_QUESTION] =
        "(?i)^(?:what|how|why|when|where|who|which|can|do|does|is|are|should)\\b.*\\?$|^(?=.*(?"
        ":什么|如何|怎|为何|吗|哪|谁|是否|还是|多少|几)).{3,60}？$|^(?:什么是|如何|怎么|怎样|"
        "为什么|为何|谁|何时|哪).{2,40}$|.{2,30}是什么？?$",
    [RULE_GERUND] =
        "^(?:Automatically |Manually )?([A-Z][a-z]+(?:ting|ing))((?: "
        "(?i:up|down|out|off|in|on|into))?) ((?!(?:and|or|What|How|Why|It|Them|the "
        "Software)\\b)(?!.*(?: When | Wisely|: ))(?:(?! and [A-Z]?\\w+ing).){3,60})$",
    [RULE_VERB_ZH] = "^(?:如何)?(安装|配置|设置|创建|添加|删除|移除|升级|更新|管理|备份|恢复|"
                     "启用|禁用|构建|编译|迁移|查询|检查|监控|挂载|修改|更改|卸载|运行|启动|"
                     "停止|获取|搜索|查找|制作|建立|部署|连接)(?! ?[与和及]|[^ "
                     "]{0,2}$)((?!一个|新的|用|进行|的)[^：:？，]{2,30}(?<!进行|使用))$",
    [RULE_NOUN_ZH] = "^((?!使用|用|从|在|自动|更)[^：:？，的与和及用从]{2,24}?(?<!使用|进行)) "
                     "?的?(安装|配置|设置|创建|升级|更新|备份|恢复|编译|迁移|卸载|部署)$",
    [RULE_INSTRUCTION] =
        "(?i)\\b(?:can|must|should|use|run|need|type|edit|with|by "
        "\\w+ing|command|via|simply|set|add|enter|stored|done|create|copy|install|through)\\b",
    [RULE_INSTRUCTION_ZH] =
        "可以|可用|可由|使用|利用|执行|运行|命令|编辑|需要|必须|通过|用 |输入|只需|只要|应",
    [RULE_BEGINS_ZH] =
        "^(?:使用|用|执行|运行|编辑|要|可以|可用|可由|只要|只需|通过|安装|输入|为了|必须|应)",
    [RULE_LITERAL] =
        "(?:^|[ "
        "“\"(（])(?:/[a-z]+/[\\w./-]+|--?[a-z][\\w-]*|[a-z]+-[a-z-]+|\\w+\\(\\d\\))|\\b[a-z]+ "
        "commands?\\b|[a-z] ?命令|命令 ?[a-z]",
    [RULE_POINTS_AWAY] =
        "(?i)^(?:this|that|these|those|it|they|he|she|however|but|and|also|then|thus|so|here|"
        "such|as (?:a|explained|mentioned|seen|we)|in (?:this|that|our|the "
        "(?:previous|following|above|example))|(?:the "
        ")?(?:former|latter|above|following)|another|other|both|note|for "
        "(?:example|instance)|note|finally|otherwise|similarly|therefore|see|once|→|"
        "nevertheless|fortunately|unfortunately|we |let us|as such|to prevent|since |in "
        "(?:addition|fact|case)|if |when |because "
        ")|^(?:这|那|此|它|其|该|但|而|也|然而|不过|因此|所以|另|还|上述|以下|下面|例如|注意|"
        "当然|让我们|本节|本章|在深入|→|接着|然后|否则|同样|如|作为|从|尝试|可以尝试|由于|若|"
        "当|在)|:$|：$|\\b(?:chapter|section|"
        "sidebar)\\b|第 ?\\d|(?i)\\b(?:let us|let's) |让我们",
    [RULE_NUMBER] = "^(?:(?:Chapter|Appendix|Section) "
                    ")?(?:\\d+(?:\\.\\d+)*\\.?|[A-Z](?:\\.\\d+)+\\.?|[A-Z]\\.|(?:第|附录) "
                    "?[\\dA-Z一二三四五六七八九十]+ ?[章节部]?\\.?)[ 　]+",
    [RULE_WHOLE] = "[.!。！][)”\"’」』）]*$",
    [RULE_LEAD] = "^(?:which|that|to|also to) +",
    [RULE_PRODUCT] =
        "(?i)^(?!.*(?:protocol|协议|standard)).*(?:\\b(?:program|tool|software|daemon|client|"
        "server|editor|interface|suite|framework|library|solution|distribution|desktop|live "
        "CD|fork|manager|package|engine|command)s?\\b|软件|程序|工具|发行版|命令|守护进程|库|"
        "引擎)",
    [RULE_CALLOUT] = "^(?:[A-Z][A-Z'’]+ )+(?:[A-Z]+ "
                     ")?(?=[A-Z\\d“/"
                     "])|^(?:基[本础]知识|关键词|社区|警告|说明|文化|更进一步|快速浏览|工具|"
                     "提示|词汇|注意)(?:：[ 　]*|[ 　]+)(?=.{4})",
};

int draft_rules_new(draft_rules **out, struct err *e)
{
    draft_rules *r = *out = calloc(1, sizeof *r);
    int rc = r ? 0 : err_nomem(e);
    for (size_t i = 0; i < RULES && !rc; i++)
        rc = pattern_new(sources[i], &r->p[i], e);
    if (rc) {
        draft_rules_free(r);
        *out = NULL;
    }
    return rc;
}

void draft_rules_free(draft_rules *r)
{
    for (size_t i = 0; r && i < RULES; i++)
        pattern_free(r->p[i]);
    free(r);
}
